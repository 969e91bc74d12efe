#error an operator that the model lacks

TFLMRegistration Register_SVDF() {
}
