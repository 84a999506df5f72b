"""A load that a person makes in Locust's page: the address is fixed, and the page takes orders only from itself."""
