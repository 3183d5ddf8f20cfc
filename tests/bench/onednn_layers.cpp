// Times convolution layers in oneDNN, each in the layout that oneDNN likes best, without reorders.
//
//   c++ -O2 onednn_layers.cpp -o onednn_layers -ldnnl      then lines on standard input:
//   name precision pass n c k  d h w  kd kh kw  sd sh sw  transposed      (precision fp32 or bf16; pass fwd, bwd_d or bwd_w)
//
// A line out for each: name precision pass seconds (median of at least 5 calls after 2, half a second). Threads: OMP_NUM_THREADS.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <sstream>
#include <unordered_map>
#include <vector>

#include <dnnl.hpp>

using namespace dnnl;
using dims = memory::dims;

static double now()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

static memory filled(const memory::desc &d, const engine &e)
{
    memory m(d, e);
    if (d.get_size()) std::fill_n(static_cast<unsigned char *>(m.get_data_handle()), d.get_size(), 0x3c); // small finite numbers in both types
    return m;
}

static double median(const primitive &p, const std::unordered_map<int, memory> &arguments, stream &s)
{
    std::vector<double> seconds;
    auto call = [&] { p.execute(s, arguments); s.wait(); };
    call();
    call();
    for (double start = now(); seconds.size() < 5 || (seconds.size() < 101 && now() - start < 0.5);) {
        double before = now();
        call();
        seconds.push_back(now() - before);
    }
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
}

struct layer {
    dims x, w, b, y, stride, pad;
};

// Forward first: the backward primitives want its description. Convolution and deconvolution have the same interface.
template <typename forward, typename backward_data, typename backward_weights>
static double time_layer(const layer &l, algorithm how, memory::data_type type, const std::string &pass, const engine &e, stream &s)
{
    using tag = memory::format_tag;
    const auto f32 = memory::data_type::f32;
    memory::desc x(l.x, type, tag::any), w(l.w, type, tag::any), y(l.y, type, tag::any), b(l.b, f32, tag::a);
    memory::desc dw(l.w, pass == "bwd_w" ? f32 : type, tag::any);
    typename forward::primitive_desc f(e, prop_kind::forward_training, how, x, w, b, y, l.stride, l.pad, l.pad);
    auto at = [&](const memory::desc &d) { return filled(d, e); };
    if (pass == "fwd")
        return median(forward(f), {{DNNL_ARG_SRC, at(f.src_desc())}, {DNNL_ARG_WEIGHTS, at(f.weights_desc())}, {DNNL_ARG_BIAS, at(b)},
                                   {DNNL_ARG_DST, at(f.dst_desc())}}, s);
    if (pass == "bwd_d") {
        typename backward_data::primitive_desc p(e, how, x, w, y, l.stride, l.pad, l.pad, f);
        return median(backward_data(p), {{DNNL_ARG_DIFF_DST, at(p.diff_dst_desc())}, {DNNL_ARG_WEIGHTS, at(p.weights_desc())},
                                         {DNNL_ARG_DIFF_SRC, at(p.diff_src_desc())}}, s);
    }
    typename backward_weights::primitive_desc p(e, how, x, dw, b, y, l.stride, l.pad, l.pad, f);
    return median(backward_weights(p), {{DNNL_ARG_SRC, at(p.src_desc())}, {DNNL_ARG_DIFF_DST, at(p.diff_dst_desc())},
                                        {DNNL_ARG_DIFF_WEIGHTS, at(p.diff_weights_desc())}, {DNNL_ARG_DIFF_BIAS, at(b)}}, s);
}

int main()
{
    engine e(engine::kind::cpu, 0);
    stream s(e);
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream in(line);
        std::string name, precision, pass;
        long n, c, k, size[3], kernel[3], stride[3], transposed;
        in >> name >> precision >> pass >> n >> c >> k;
        for (auto *v : {size, kernel, stride})
            for (int i = 0; i < 3; i++) in >> v[i];
        in >> transposed;
        if (!in) {
            std::cerr << "cannot read: " << line << "\n";
            return 2;
        }
        layer l;
        l.x = {n, c};
        l.y = {n, k};
        l.w = {k, c};
        l.b = {k};
        for (int i = 0; i < 3; i++) {
            const long pad = transposed ? 0 : kernel[i] / 2;
            l.x.push_back(size[i]);
            l.w.push_back(kernel[i]);
            l.y.push_back(transposed ? size[i] * stride[i] : (size[i] + 2 * pad - kernel[i]) / stride[i] + 1);
            l.stride.push_back(stride[i]);
            l.pad.push_back(pad);
        }
        const auto type = precision == "bf16" ? memory::data_type::bf16 : memory::data_type::f32;
        try {
            const double seconds =
                transposed ? time_layer<deconvolution_forward, deconvolution_backward_data, deconvolution_backward_weights>(
                                 l, algorithm::deconvolution_direct, type, pass, e, s)
                           : time_layer<convolution_forward, convolution_backward_data, convolution_backward_weights>(
                                 l, algorithm::convolution_direct, type, pass, e, s);
            std::cout << name << ' ' << precision << ' ' << pass << ' ' << seconds << std::endl;
        } catch (const error &x) {
            std::cout << name << ' ' << precision << ' ' << pass << " nan " << x.message << std::endl;
        }
    }
}
