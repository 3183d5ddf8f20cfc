"""nephron over Flower: server_app.py and client_app.py carry the messages of nephron_federation (apps/python)."""
