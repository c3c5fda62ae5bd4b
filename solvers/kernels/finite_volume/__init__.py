from typing import Any


def provenance() -> str:
    return "numpy"


def fastest(reference: Any, system: Any, **how: Any) -> Any:
    return reference
