"""What controller and hosts share: links to files of plugins/module_utils/, which Ansible ships to them.

They need the standard library alone and import nothing of the project.
"""
