"""nephron's rounds for Python: binding.py calls libnephron, rounds.py is the server's side, site.py a site's."""
