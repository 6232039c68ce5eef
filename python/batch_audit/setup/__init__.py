"""Sets up auditing in somebody's dbt project (`init`) and says what is wrong with a set-up (`doctor`)."""
