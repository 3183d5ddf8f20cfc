# make_baselines.py - what scikit-learn's logistic regression and gradient boosting say of a small table: golden
# values of tests/unit/nn/check_baselines.c.
#
#     python3 tests/golden/make_baselines.py > tests/data/golden/baselines.json
import json
import numpy as np
import sklearn
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(14)
n, k = 80, 4
x = np.round(rng.normal(size=(n, k)) * [1, 3, 0.2, 10] + [0, 5, 1, -20], 4)
y = (x[:, 0] + 0.4 * x[:, 1] + rng.normal(size=n) > 2).astype(int)
z = StandardScaler().fit_transform(x)
cases = []
for c in (0.01, 1.0, 100.0):
    m = LogisticRegression(C=c, tol=1e-12, max_iter=10000).fit(z, y)
    cases.append({"c": c, "intercept": float(m.intercept_[0]), "coefficient": m.coef_[0].tolist(),
                  "probability": m.predict_proba(z)[:, 1].tolist()})
# One case of a rare class whose value lies far from the others: whole steps of Newton's method overshoot.
rare = np.array([[(i * 37 % 150) / 150] for i in range(149)] + [[60.0]])
is_rare = np.isin(np.arange(150), (3, 149)).astype(int)
m = LogisticRegression(C=1, tol=1e-12, max_iter=10000).fit(StandardScaler().fit_transform(rare), is_rare)
outlier = {"intercept": float(m.intercept_[0]), "coefficient": float(m.coef_[0, 0])}
trees = []
for count, rate in ((1, 1.0), (30, 0.1), (150, 0.05)):
    m = GradientBoostingClassifier(n_estimators=count, learning_rate=rate, max_depth=2, random_state=0).fit(x, y)
    trees.append({"trees": count, "rate": rate, "probability": m.predict_proba(x)[:, 1].tolist()})
print(json.dumps({"scikit-learn": sklearn.__version__, "features": k, "x": x.ravel().tolist(), "label": y.tolist(),
                  "logistic": cases, "outlier": outlier, "boosting": trees}))
