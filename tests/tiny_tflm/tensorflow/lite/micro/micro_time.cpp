#error to be replaced by the project
