"""OpenAPI documents as libraries make them, shortened to what a request needs."""

# FastAPI 0.115 with pydantic 2: a model with a reference, a file, a path and a query.
FASTAPI = {
    "openapi": "3.1.0",
    "info": {"title": "Iris API", "version": "0.1.0"},
    "paths": {
        "/predict/": {
            "post": {
                "summary": "Predict",
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Flowers"}}},
                    "required": True,
                },
                "responses": {"200": {"description": "Successful Response"}},
            }
        },
        "/classify": {
            "post": {
                "requestBody": {
                    "content": {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/Body_classify"}}},
                    "required": True,
                }
            }
        },
        "/predict/{model_id}": {
            "get": {
                "parameters": [
                    {
                        "name": "model_id",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string"},
                        "example": "a/b",
                    },
                    {"name": "top", "in": "query", "required": True, "schema": {"type": "integer", "minimum": 3}},
                    {"name": "verbose", "in": "query", "required": False, "schema": {"type": "boolean"}},
                ]
            },
            "delete": {},
        },
        "/health": {"get": {}},
        "/ready": {"get": {}},
    },
    "components": {
        "schemas": {
            "Flowers": {
                "type": "object",
                "required": ["rows"],
                "properties": {
                    "rows": {"type": "array", "items": {"$ref": "#/components/schemas/Flower"}, "minItems": 2},
                    "note": {"anyOf": [{"type": "null"}, {"type": "string"}]},
                },
            },
            "Flower": {
                "type": "object",
                "properties": {
                    "sepal": {"type": "number", "exclusiveMinimum": 4},
                    "kind": {"enum": ["setosa", "virginica"]},
                },
            },
            "Body_classify": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                    "size": {"type": "integer", "example": 224},
                },
            },
        }
    },
}
# Swagger 2.0, as Flask's libraries make it, with a key in a header.
SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Sentiment"},
    "host": "api.example:5000",
    "basePath": "/v1",
    "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
    "security": [{"key": []}],
    "definitions": {"Text": {"type": "object", "properties": {"text": {"type": "string", "example": 'it\'s "good"'}}}},
    "paths": {
        "/score": {
            "post": {
                "consumes": ["application/json"],
                "parameters": [
                    {"in": "body", "name": "body", "schema": {"$ref": "#/definitions/Text"}},
                    {"in": "header", "name": "X-Client", "required": True, "type": "string", "default": "shop"},
                ],
            }
        },
        "/upload": {"post": {"parameters": [{"in": "formData", "name": "picture", "type": "file"}]}},
    },
}
