"""`python -m unmask_client`: the `unmask` command."""

from unmask_client.command.main import main

if __name__ == "__main__":
    main()
