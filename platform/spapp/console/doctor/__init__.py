"""The pages of the doctor."""
