"""The issuer's state, one module for each group of tables; `certs.issuer.store` joins them."""

__all__: list[str] = []
