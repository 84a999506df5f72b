"""What is asked: the sweep file, its cells and the load of each."""
