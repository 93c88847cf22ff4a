# The command line's page.

.PHONY: cli-docs
cli-docs: venv ## write the outputs in docs/cli.md as the program prints them
	$(BIN)/python tests/unit/cli/page.py
