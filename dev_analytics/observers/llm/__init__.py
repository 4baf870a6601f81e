"""Observers of calls to language models, one small module per SDK over one shared recorder.

They read a model's name, token counts and an error's class: no prompt, no answer and no key.
"""
