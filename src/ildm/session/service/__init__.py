"""The engine as a process of its own: `python -m ildm.session.service` owns models, device and store, and answers messages."""
