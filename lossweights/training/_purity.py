"""What a graph does beside computing: a stack may only be made of models that do nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf

from lossweights.foreign.keras_names import has_state

# Operations with a state that only read it, or that are as pure as what they call.
_HARMLESS = frozenset(
    {
        "Assert",
        "Case",
        "If",
        "LookupTableFindV2",
        "LookupTableSizeV2",
        "PartitionedCall",
        "Print",
        "PrintV2",
        "ReadVariableOp",
        "ResourceGather",
        "ResourceGatherNd",
        "StatefulPartitionedCall",
        "While",
    }
)


def operations(graph: tf.Graph) -> set[str]:
    """The kinds of operation in a graph and in the functions that it calls."""
    definition = graph.as_graph_def()
    functions = [node for function in definition.library.function for node in function.node_def]
    return {node.op for node in [*definition.node, *functions]}


def side_effects(kinds: Iterable[str]) -> list[str]:
    """Those kinds of operation that change or depend on more than their arguments.

    >>> side_effects(["MatMul", "RandomStandardNormal", "ReadVariableOp", "PyFunc"])
    ['PyFunc', 'RandomStandardNormal']
    """
    return [kind for kind in sorted(set(kinds) - _HARMLESS) if has_state(kind)]
