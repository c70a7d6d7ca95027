# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators: they gather what is asked, call `scene` and `core`, and report in one sentence.

Headless use, as in the tests and the demo: call the operators through bpy.ops; `retake.new_takes` and
`retake.update_take` wait for the backend by default. With `wait=False` they return at once, and `session.poll()` called
in a loop moves the messages and writes the result (inside an operator, so that one undo step covers it):

    bpy.ops.retake.add_head()
    bpy.ops.retake.import_audio(filepath="speech.flac", frame=1)
    bpy.ops.retake.new_takes(count=3, seed=0)
    bpy.ops.retake.show_take(take=2)
    bpy.ops.retake.update_take(all_takes=True)
"""
