"""The sweep file: its cells and the load of each."""
