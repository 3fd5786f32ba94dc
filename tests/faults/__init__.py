"""What users and machines do wrong, as data: a row a fault, one test for all."""
