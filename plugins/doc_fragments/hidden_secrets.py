"""Documentation of the option of modules that read logs of the API."""


class ModuleDocFragment:
    """Named by ``extends_documentation_fragment`` of a module."""

    DOCUMENTATION = r"""
options:
  hidden:
    description:
      - Secrets that no log may show, each in base64. The API may print its own, or those that a load sends.
    type: list
    elements: str
    default: []
"""
