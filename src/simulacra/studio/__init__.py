"""The studio: a page in the browser that shows a model as it learns, and lets one start, pause and step it.

    server.py      simulacra studio: the address, the pages, the ways to frames and files
    security.py    who may ask: token, cookie, Host, Origin; paths and uploads
    library.py     what Run folders there are, and their curves, read a line at a time
    wire.py        frames as bytes for the browser, from those of the trainer or from snapshots
    launching.py   starts a training as a process of its own
    forms.py       the options of a family as fields of a form
    parts.py       what the pages share; picture.py, the live picture
    pages/         one view a file

    protocol.py    the control file and how the trainer stands
    trainer.py     python -m simulacra.studio.trainer: trains as `fit` does, and obeys
    frames.py      what a picture is made of, as arrays

The page reads Run folders alone, so live and replay look the same. NiceGUI is imported by the pages only.
"""
