"""What every page stands in: menu, place and rights of the person, lists, forms, words."""
