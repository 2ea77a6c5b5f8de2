"""What the NHS Payment Scheme pays: pure functions, frame in, frame out.

Belongs here: the rules, one module for each subject of the policy, on
`narwhals.stable.v2` so that Polars, DuckDB and Spark give the same answers, and `explain`,
which tells of one priced line how its amounts came about. Does not belong here: files,
engines, orchestration (`pipelines`), table contracts (`schemas`), or any number: those are in
the scheme packs and price books under `data/`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pricing.explaining import Explanation, explain

__all__ = ["Explanation", "explain"]


def __getattr__(name: str) -> Any:
    # Reading a scheme pack, as every command does, must not wait for the rules to be loaded.
    if name in __all__:
        from pricing import explaining

        return getattr(explaining, name)
    raise AttributeError(f"module 'pricing' has no attribute '{name}'")
