pytest_plugins = ["embedded_stack", "real_services"]
