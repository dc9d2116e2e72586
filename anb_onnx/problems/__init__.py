"""What is searched for, as a value: objectives, constraints, noise, budget, and what is proven.

>>> import anb_onnx
>>> anb_onnx.tasks()["accuracy-latency_zcu102-5ms-v1"].description
'best accuracy with latency_zcu102 of at most 5 ms'
"""

from anb_onnx.problems.cost import Cost
from anb_onnx.problems.evaluation import Evaluation
from anb_onnx.problems.listing import Tasks, tasks
from anb_onnx.problems.problem import Problem
from anb_onnx.problems.task import Best, Budget, Product, Task

__all__ = [
    "Best",
    "Budget",
    "Cost",
    "Evaluation",
    "Problem",
    "Product",
    "Task",
    "Tasks",
    "tasks",
]
