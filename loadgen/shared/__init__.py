"""What load hosts share with the controller: links to files of plugins/module_utils/.

The role locust_host copies what they point to. They need the standard library alone and import nothing of the project.
"""
