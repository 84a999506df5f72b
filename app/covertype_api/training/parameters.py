"""What decides a model, apart from its rows. Free of imports, so that `train --if-missing` is quick."""

# Few large trees instead of many small ones. On 25,000 real rows 10 trees of 2500 leaves reach 0.834, 50 of 1000 leaves
# 0.831, and a batch of 64 rows takes a fifth of the time, because fewer nodes are visited and they stay in the core's
# cache. Leaves bound the file (1.6 MB of ONNX); unbounded trees reach 0.86 and take many times the memory, per worker.
FOREST = {"n_estimators": 10, "max_leaf_nodes": 2500, "max_features": 0.5, "n_jobs": 1}

# Share of the rows that no model sees before it is judged.
HELD_OUT_SHARE = 0.2
# A new champion may be this much worse on the same held-out rows: less is noise of the split.
TOLERANCE = 0.002
# Share of held-out rows on which ONNX and scikit-learn must give the same class.
MIN_AGREEMENT = 0.999
