# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on knows without Blender: time, keys, takes, rendering of curves, the backend's client.

numpy and the standard library only. The layer `scene` reads curves into `curves.CurveKeys`, this package decides what
is given and what is written where, and `scene` writes the `render.ChannelPlan`s. The order of a generation:

1. `keys.classify` (curves + ledger -> what each key is, and findings an animator chooses about), `keys.decide`
2. `given.collect` (-> given keys, held and dense channels), `ranges` (-> seconds), `given.check_free`
3. `request.request_values` (-> the request's arrays), `client.BackendClient.generate` ... `poll`
4. `takes.Library.add_result` or `update_result` (-> takes and the comp), `storage.to_bytes`
5. `render.render` (-> keys to write), and after writing `ledger.Ledger.record`
"""
