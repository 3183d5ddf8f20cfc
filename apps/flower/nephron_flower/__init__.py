"""nephron over Flower: server_app.py hands out tasks and adds up, client_app.py trains at a site, binding.py calls libnephron."""
