"""Which operators the graph of a file may have, before a runtime is asked to open it.

onnxruntime computes what depends on no input as soon as it opens a file, and a `ConstantOfShape` of
some bytes may ask for all memory there is. The operators that anb-export writes, and their kin,
make their outputs from their inputs alone; what a file brings along is bounded by its own size.
"""

from __future__ import annotations

from anb_onnx._io.show import show
from anb_onnx.errors import ArtifactError
from anb_onnx.onnx_files.messages import MessageError, fields

_ELEMENTWISE = (
    "Abs Add And Cast Ceil Clip Div Equal Exp Floor Greater GreaterOrEqual Identity Less "
    "LessOrEqual Log Max Mean Min Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid Sign Sqrt Sub "
    "Sum Tanh Where Xor"
)
_OTHERS = (
    "ArgMax ArgMin Concat Flatten Gather GatherElements Gemm MatMul ReduceMax ReduceMean ReduceMin "
    "ReduceProd ReduceSum ReduceSumSquare Reshape Slice Softmax Split Squeeze Transpose Unsqueeze"
)
_ML = (
    "ArrayFeatureExtractor LinearRegressor OneHotEncoder Scaler SVMRegressor TreeEnsemble "
    "TreeEnsembleRegressor"
)

#: By domain of the operators; "ai.onnx" is another name of "".
ALLOWED = {
    "": frozenset(f"{_ELEMENTWISE} {_OTHERS}".split()),
    "ai.onnx.ml": frozenset(_ML.split()),
}

# Numbers of fields in onnx/onnx.proto.
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_OP, _NODE_DOMAIN = 4, 7
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14


def check_operators(model: bytes, source: str) -> None:
    """Refuse a file whose graph has another operator, a function, or data outside the file.

    Bytes that are no ONNX file are for the runtime to refuse.

    Raises
    ------
    ArtifactError
        Naming the operator, and those that are allowed.
    """
    try:
        for number, start, stop in fields(model, 0, len(model)):
            if number == _MODEL_FUNCTIONS:
                _refuse(source, "defines functions of its own")
            if number == _MODEL_GRAPH and stop >= 0:
                _check_graph(model, start, stop, source)
    except MessageError:
        return


def _check_graph(model: bytes, start: int, stop: int, source: str) -> None:
    for number, first, last in fields(model, start, stop):
        if number == _GRAPH_SPARSE:
            _refuse(source, "has sparse initializers")
        elif number == _GRAPH_NODE and last >= 0:
            _check_node(model, first, last, source)
        elif number == _GRAPH_INITIALIZER and last >= 0:
            for part, value, end in fields(model, first, last):
                if part == _TENSOR_EXTERNAL or (part == _TENSOR_LOCATION and end < 0 and value):
                    _refuse(source, "keeps data in other files")


def _check_node(model: bytes, start: int, stop: int, source: str) -> None:
    found = {
        number: model[a:b]
        for number, a, b in fields(model, start, stop)
        if number in (_NODE_OP, _NODE_DOMAIN) and b >= 0
    }
    operator = found.get(_NODE_OP, b"").decode("utf-8", "replace")
    domain = found.get(_NODE_DOMAIN, b"").decode("utf-8", "replace")
    allowed = ALLOWED.get("" if domain == "ai.onnx" else domain, frozenset())
    if operator not in allowed:
        where = f" of domain {show(domain)}" if domain else ""
        names = ", ".join(sorted(frozenset().union(*ALLOWED.values())))
        _refuse(source, f"uses the operator {show(operator)}{where}; allowed are {names}")


def _refuse(source: str, what: str) -> None:
    msg = f"{source} is not an anb_onnx artifact: its graph {what}"
    raise ArtifactError(msg)
