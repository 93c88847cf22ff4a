# The validator: operator/certstorage/validator, docs/validator.md.
SIZES ?= 10000,100000
TIERS ?= list,byte
RUNS ?= 3

.PHONY: test-validator
test-validator: venv ## the validator against a real S3 server: damage, faults, races
	$(BIN)/pytest -q tests/unit/validator tests/component/validator

.PHONY: test-validator-long
test-validator-long: venv ## the same with 20 clean runs, 10 kills and 10,000 operations of the application
	VALIDATOR_LONG=1 $(BIN)/pytest -q --timeout=3600 tests/component/validator

.PHONY: validator-docs
validator-docs: venv ## write the help texts in docs/validator.md as the program prints them
	$(BIN)/python tests/unit/validator/page.py

.PHONY: bench-validator
bench-validator: venv ## the validator beside rclone check, in turns: artifacts/bench/validator.json
	$(BIN)/python -m bench.validator --sizes $(SIZES) --tiers $(TIERS) --runs $(RUNS)
