"""What a server shows of itself by HTTP."""
