from hypothesis import settings

pytest_plugins = ["embedded_stack", "real_services", "guarded_stack"]

# How long an example takes says nothing about the code on a machine that does other things, too.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
