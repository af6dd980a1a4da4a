"""Audio files: format detection, multipart upload, storage and range responses."""
