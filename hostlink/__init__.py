"""Streams between this machine and a host, over the connection that Ansible has: logs, images, folders to build."""
