"""The same task with one transformation of each kind."""

from tests.bench.chain import CHAIN
from tests.bench.race import Race
from tests.bench.ways.dtaas import prepare_with


def prepare(race: Race):
    return prepare_with(race, CHAIN)
