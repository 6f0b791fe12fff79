// Loads a SavedModel by the tag "serve", as TensorFlow Serving does, and runs requests:
//   load_saved_model FOLDER REQUEST...
// where each request is one argument:
//   files PATH...                    to serving_default; writes PATH.labels.png
//   array SIGNATURE DTYPE SIZE...    zeros or empty strings; not checked
// Prints a line for each: "OK: " and the shape of the output, or the error.

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/framework/types.h"
#include "tensorflow/core/public/session_options.h"

using tensorflow::SavedModelBundle;
using tensorflow::Tensor;
using Words = std::vector<std::string>;

absl::Status Run(const SavedModelBundle& bundle, const std::string& signature,
                 const Tensor& input, Tensor* answer) {
  const auto& definition = bundle.GetSignatures().at(signature);
  const auto& fed = definition.inputs().begin()->second;
  const auto& fetched = definition.outputs().begin()->second;
  std::vector<Tensor> outputs;
  const absl::Status status =
      bundle.GetSession()->Run({{fed.name(), input}}, {fetched.name()}, {}, &outputs);
  if (status.ok()) *answer = outputs[0];
  return status;
}

absl::Status RunFiles(const SavedModelBundle& bundle, const Words& paths,
                      Tensor* answer) {
  Tensor files(tensorflow::DT_STRING, {static_cast<int64_t>(paths.size())});
  for (size_t index = 0; index < paths.size(); ++index) {
    std::ifstream file(paths[index], std::ios::binary);
    files.vec<tensorflow::tstring>()(index) =
        std::string(std::istreambuf_iterator<char>(file), {});
  }
  const absl::Status status = Run(bundle, "serving_default", files, answer);
  for (size_t index = 0; status.ok() && index < paths.size(); ++index) {
    const auto& label_png = answer->vec<tensorflow::tstring>()(index);
    std::ofstream file(paths[index] + ".labels.png", std::ios::binary);
    file.write(label_png.data(), label_png.size());
  }
  return status;
}

absl::Status RunArray(const SavedModelBundle& bundle, const Words& words,
                      Tensor* answer) {
  tensorflow::DataType dtype;
  if (!tensorflow::DataTypeFromString(words[1], &dtype)) {
    return absl::NotFoundError("no dtype " + words[1]);
  }
  tensorflow::TensorShape shape;
  for (size_t index = 2; index < words.size(); ++index) {
    shape.AddDim(std::stoi(words[index]));
  }
  Tensor array(dtype, shape);
  if (dtype != tensorflow::DT_STRING) {
    std::memset(array.data(), 0, array.TotalBytes());
  }
  return Run(bundle, words[0], array, answer);
}

std::string Describe(const absl::Status& status) {
  std::string line = absl::StatusCodeToString(status.code()) + ": " +
                     std::string(status.message());
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

int main(int argc, char** argv) {
  SavedModelBundle bundle;
  const absl::Status loaded = tensorflow::LoadSavedModel(
      tensorflow::SessionOptions(), tensorflow::RunOptions(), argv[1], {"serve"},
      &bundle);
  if (!loaded.ok()) {
    std::cerr << Describe(loaded) << std::endl;
    return 1;
  }
  for (int index = 2; index < argc; ++index) {
    std::istringstream request(argv[index]);
    std::string kind;
    request >> kind;
    const Words words{std::istream_iterator<std::string>(request), {}};
    Tensor answer;
    const absl::Status status = kind == "files" ? RunFiles(bundle, words, &answer)
                                                : RunArray(bundle, words, &answer);
    std::cout << (status.ok() ? "OK: " + answer.shape().DebugString()
                              : Describe(status))
              << std::endl;
  }
}
