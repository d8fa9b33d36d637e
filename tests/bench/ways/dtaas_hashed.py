"""The same task with SHA-256 of a text column alone."""

from tests.bench.chain import HASH
from tests.bench.race import Race
from tests.bench.ways.dtaas import prepare_with


def prepare(race: Race):
    return prepare_with(race, (HASH,))
