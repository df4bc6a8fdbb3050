"""Operations: small declarations that name a kernel and say what it needs."""
