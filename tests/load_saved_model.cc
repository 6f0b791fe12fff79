// Loads a SavedModel as TensorFlow Serving does, by the tag "serve", and runs one of its
// signatures: load_saved_model FOLDER IMAGE... writes the answer to IMAGE.labels.png.
// With --channels FOLDER N it feeds label_map an image of N channels.

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/public/session_options.h"

using tensorflow::SavedModelBundle;
using tensorflow::Tensor;

int Fail(const absl::Status& status) {
  std::cerr << absl::StatusCodeToString(status.code()) << ": " << status.message()
            << std::endl;
  return 1;
}

absl::Status Run(const SavedModelBundle& bundle, const std::string& signature,
                 const Tensor& input, std::vector<Tensor>* outputs) {
  const auto& definition = bundle.GetSignatures().at(signature);
  const auto& fed = definition.inputs().begin()->second;
  const auto& fetched = definition.outputs().begin()->second;
  return bundle.GetSession()->Run({{fed.name(), input}}, {fetched.name()}, {}, outputs);
}

int RunChannels(const SavedModelBundle& bundle, int channels) {
  Tensor image(tensorflow::DT_UINT8, {1, 8, 8, channels});
  image.flat<tensorflow::uint8>().setZero();
  std::vector<Tensor> outputs;
  const absl::Status status = Run(bundle, "label_map", image, &outputs);
  if (!status.ok()) return Fail(status);
  std::cout << outputs[0].shape().DebugString() << std::endl;
  return 0;
}

int RunFiles(const SavedModelBundle& bundle, const std::vector<std::string>& paths) {
  Tensor files(tensorflow::DT_STRING, {static_cast<int64_t>(paths.size())});
  for (size_t index = 0; index < paths.size(); ++index) {
    std::ifstream file(paths[index], std::ios::binary);
    files.vec<tensorflow::tstring>()(index) =
        std::string(std::istreambuf_iterator<char>(file), {});
  }
  std::vector<Tensor> outputs;
  const absl::Status status = Run(bundle, "serving_default", files, &outputs);
  if (!status.ok()) return Fail(status);
  for (size_t index = 0; index < paths.size(); ++index) {
    const auto& label_png = outputs[0].vec<tensorflow::tstring>()(index);
    std::ofstream file(paths[index] + ".labels.png", std::ios::binary);
    file.write(label_png.data(), label_png.size());
  }
  return 0;
}

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool is_channels = arguments[0] == "--channels";
  if (is_channels) arguments.erase(arguments.begin());
  SavedModelBundle bundle;
  const absl::Status status = tensorflow::LoadSavedModel(
      tensorflow::SessionOptions(), tensorflow::RunOptions(), arguments[0], {"serve"},
      &bundle);
  if (!status.ok()) return Fail(status);
  arguments.erase(arguments.begin());
  if (is_channels) return RunChannels(bundle, std::stoi(arguments[0]));
  return RunFiles(bundle, arguments);
}
