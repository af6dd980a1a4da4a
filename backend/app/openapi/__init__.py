"""The OpenAPI document: what it declares beyond the signatures of the endpoints."""
