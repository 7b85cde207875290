import * as z from "./zod-all.js";
import { Field, type Lazy } from "../form/field.js";
import { Form, type Fields, type Filtered, type FilterKeys, type StaticOf, type TypeOf } from "../form/form.js";
import * as kinds from "../form/kinds.js";
import type * as S from "../form/spec.js";
import { parse, schema } from "../schema.js";
import type { DeepPartial } from "../wire.js";
import { zodOf } from "./zod.js";

export interface InputSpec<in out Type extends Static, in out Static extends Record<string, any> = Type> {
  filter<const F extends FilterKeys<Type>, Default extends boolean = false>(
    keys: F,
    keepByDefault?: Default,
  ): InputSpec<Filtered<Type, F, Default> & Filtered<Static, F, Default>, Filtered<Static, F, Default>>;
  disable(keys: FilterKeys<Type>, message: string): InputSpec<Type, Static>;
  filterFromPartial(partial: DeepPartial<Type>): InputSpec<DeepPartial<Type> & DeepPartial<Static>, DeepPartial<Static>>;
  disableFromPartial(partial: DeepPartial<Type>, message: string): InputSpec<Type, Static>;
}

/** A form, as packages for StartOS know it: its schemas are of zod. */
export class InputSpec<in out Type extends Static, in out Static extends Record<string, any> = Type> extends Form<Type, Static> {
  get validator(): z.ZodType<Static> {
    return zodOf(this);
  }
  get partialValidator(): z.ZodType<DeepPartial<Static>> {
    return zodOf(schema(this.readPartial));
  }
  override add<More extends Fields>(more: More | ((tools: InputSpecTools<Type>) => More)): InputSpec<Type & TypeOf<More>, Static & StaticOf<More>> {
    const fields = typeof more === "function" ? more(tools as InputSpecTools<Type>) : more;
    return super.add(fields) as unknown as InputSpec<Type & TypeOf<More>, Static & StaticOf<More>>;
  }
  static of<Spec extends Fields>(spec: Spec): InputSpec<TypeOf<Spec>, StaticOf<Spec>> {
    return new InputSpec<any, any>(spec);
  }
}

export type Value<Type, Static = Type, Outer = unknown> = Field<Type, Static, Outer>;
export type List<Type, Static = Type, Outer = unknown> = kinds.List<Type, Static, Outer>;
export { Variants, type UnionStatic as UnionResStaticValidatedAs, type UnionValue as UnionRes } from "../form/kinds.js";

type Named = { name: string; description?: string | null; warning?: string | null };
type UnionOptions<V extends kinds.VariantForms> = Named & { variants: kinds.Variants<V>; default: keyof V & string; immutable?: boolean; disabled?: false | string | string[] };

/** The kinds of fields by the names that packages for StartOS call them. */
export const Value = {
  toggle: kinds.toggle,
  triState: kinds.triState,
  text: kinds.text,
  textarea: kinds.textarea,
  number: kinds.number,
  color: kinds.color,
  datetime: kinds.datetime,
  select: <V extends kinds.Values>(options: kinds.SelectOptions<V>): Field<keyof V & string> => kinds.select(options),
  multiselect: <V extends kinds.Values>(options: kinds.MultiselectOptions<V>): Field<(keyof V & string)[]> => kinds.multiselect(options),
  object: kinds.object,
  file: kinds.file,
  union: <V extends kinds.VariantForms>(options: UnionOptions<V>): Field<kinds.UnionValue<V>, kinds.UnionStatic<V>> => kinds.union(options),
  list: kinds.list,
  hidden: <T = any>(parser?: z.ZodType<T>): Field<T> => kinds.hidden(parser),
  dynamicToggle: kinds.made.toggle,
  dynamicTriState: kinds.made.triState,
  dynamicText: kinds.made.text,
  dynamicTextarea: kinds.made.textarea,
  dynamicNumber: kinds.made.number,
  dynamicColor: kinds.made.color,
  dynamicDatetime: kinds.made.datetime,
  dynamicSelect: kinds.made.select,
  dynamicMultiselect: kinds.made.multiselect,
  dynamicFile: kinds.made.file,
  dynamicUnion: <V extends kinds.VariantForms, Outer = unknown>(get: Lazy<UnionOptions<V>, Outer>, validator?: z.ZodType<any>): Field<kinds.UnionValue<V>, any, Outer> => kinds.made.union(get, validator),
  dynamicHidden: <T, Outer = unknown>(get: Lazy<z.ZodType<T>, Outer>): Field<T, T, Outer> => kinds.made.hidden(get),
};

export const List = {
  text: kinds.listOfTexts as (options: kinds.ListOptions & { default?: string[] }, items: kinds.TextItemOptions) => kinds.List<string[]>,
  obj: kinds.listOfObjects,
  dynamicText: kinds.made.listOfTexts,
};

/** The same, for forms whose options look at what is filled in. */
export interface InputSpecTools<_Outer> {
  Value: typeof Value;
  List: typeof List;
  Variants: typeof kinds.Variants;
  InputSpec: typeof InputSpec;
}
const tools: InputSpecTools<any> = { Value, List, Variants: kinds.Variants, InputSpec };

/** Reads a value by what a field is, as zod would. */
export const validatorOf = <S>(field: Field<any, S, any>): z.ZodType<S> => zodOf(schema((value) => parse(schema(field.read), value)));
export type { S as IST };
