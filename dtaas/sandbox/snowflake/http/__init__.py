"""The wire of the emulated Snowflake: what the connector asks for over HTTP."""
