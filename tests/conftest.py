pytest_plugins = ["real_services"]
