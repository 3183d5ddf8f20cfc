"""A classifier with covariates as ONNX beside the program: run after a `nephron train --task classify --covariates ...` on .npz images.

    python tests/golden/covariates_onnx.py NET.onnx

With onnxruntime: probabilities of random images and covariates are softmax of the logits, a missing covariate (NaN) is the same as the mean, and
the covariates' part of the logits is the standardised values times fc_covariates.weight, as the program has it. Wants onnx, onnxruntime, numpy.
"""
import json
import sys

import numpy as np
import onnx
import onnxruntime

net = onnx.load(sys.argv[1])
weight = {w.name: onnx.numpy_helper.to_array(w) for w in net.graph.initializer}
names = json.loads({p.key: p.value for p in net.metadata_props}["covariates"])
mean, variance, slope = (weight[k] for k in ("covariates.running_mean", "covariates.running_var", "fc_covariates.weight"))
session = onnxruntime.InferenceSession(sys.argv[1])
size = [d if isinstance(d, int) and d > 0 else 1 for d in session.get_inputs()[0].shape]
random = np.random.default_rng(1)
image = random.standard_normal(size).astype(np.float32)
value = (mean + np.sqrt(variance) * random.standard_normal(len(names))).astype(np.float32)[None]
run = lambda v: session.run(["logits", "probabilities"], {"image": image, "covariates": v.astype(np.float32)})
at_mean, probabilities = run(mean[None])
np.testing.assert_allclose(probabilities, np.exp(at_mean) / np.exp(at_mean).sum(), rtol=1e-5)
np.testing.assert_allclose(run(value)[0] - at_mean, ((value - mean) / np.sqrt(variance)) @ slope.T, rtol=1e-3, atol=1e-5)
missing = value.copy()
missing[0, 0] = np.nan
value[0, 0] = mean[0]
np.testing.assert_allclose(run(missing)[0], run(value)[0], rtol=1e-5)
print("ok:", ", ".join(names))
