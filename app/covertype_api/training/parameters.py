"""What decides a model, apart from its rows. Free of imports, so that `train --if-missing` is quick."""

# Leaves bound the size of a tree: 50 x 1000 leaves are some 4 MB of ONNX and 0.83 accuracy on real rows; unbounded
# trees reach 0.86 and take many times the memory, in each worker of each replica.
FOREST = {"n_estimators": 50, "max_leaf_nodes": 1000, "max_features": 0.35, "n_jobs": 1}

# Share of the rows that no model sees before it is judged.
HELD_OUT_SHARE = 0.2
# A new champion may be this much worse on the same held-out rows: less is noise of the split.
TOLERANCE = 0.002
# Share of held-out rows on which ONNX and scikit-learn must give the same class.
LEAST_AGREEMENT = 0.999
