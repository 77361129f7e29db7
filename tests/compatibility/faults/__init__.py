"""Faults: clients of all kinds work while the broker is killed again and again; a checker then judges the recorded history."""
