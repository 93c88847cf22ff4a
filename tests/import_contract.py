"""A contract for import-linter that names what may be imported, and so forbids everything else."""

from __future__ import annotations

import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """The source modules, and all below them, import nothing but the allowed modules and the standard library."""

    type_name = "only"

    # Any: on the class it is the field, on a contract the list that was read by it
    source_modules: Any = fields.ListField(subfield=fields.ModuleField())
    allowed_modules: Any = fields.ListField(subfield=fields.ModuleField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Look at every direct import."""
        allowed = [module.name for module in self.allowed_modules]
        found = []
        for source in self.source_modules:
            for module in sorted({source.name, *graph.find_descendants(source.name)}):
                found += [
                    f"{module} -> {name}"
                    for name in sorted(graph.find_modules_directly_imported_by(module))
                    if name.partition(".")[0] not in sys.stdlib_module_names
                    and not any(name == one or name.startswith(f"{one}.") for one in allowed)
                ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Each import that is not allowed."""
        for line in check.metadata["found"]:
            output.print_error(line)
