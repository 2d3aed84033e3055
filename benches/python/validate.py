"""Tells how often in a second Python's jsonschema judges a payload: validate.py SCHEMA PAYLOAD."""

import json
import sys
import time

import jsonschema

with open(sys.argv[1]) as schema, open(sys.argv[2]) as payload:
    validator = jsonschema.Draft7Validator(json.load(schema), format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER)
    document = json.load(payload)

rates = []
for _ in range(3):
    begun, times = time.perf_counter(), 0
    while time.perf_counter() - begun < 1:
        assert validator.is_valid(document)
        times += 1
    rates.append(times / (time.perf_counter() - begun))
print(sorted(rates)[1])
