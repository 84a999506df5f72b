"""The first scenario and sweep file for an API, from its OpenAPI document or from a curl line."""
