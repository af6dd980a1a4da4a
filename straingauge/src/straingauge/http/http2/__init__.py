"""HTTP/2 (RFC 9113) without any I/O, on the libraries `h2` and `hpack`.

They come with the extra `http2`. Nothing imports this package before a connection uses HTTP/2.
"""
