"""The import file (contract section 4): read strictly, applied whole or not at all."""
